"""Where jobs wait: one module or package per kind of store, none of which knows another."""
