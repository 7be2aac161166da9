"""Django signals. Importable before the app registry is ready."""

from django.dispatch import Signal

#: A job has failed for good: it is a dead letter now. Sent once for each, by the worker, after the
#: transaction has committed; not for tries that will be repeated, and not for cancelled jobs.
#:
#: `sender` is the actor function, or None where this process does not know it. With it come
#: `job_id`, `actor` (its name), `queue`, `exception` (the class name), `text` (what it said),
#: `tries` (how often the actor was run) and `key` (the routing key). The arguments are left out:
#: they may hold secrets.
#:
#: Receivers run on a thread of their own, one after another, and may block and use the ORM. One
#: that raises is logged and harms nothing. A worker that ends waits for them within its grace; one
#: that is killed does not come to send what it has not sent yet.
job_failed = Signal()
