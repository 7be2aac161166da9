"""A Django project as small as one can be: what the Django systems are measured in."""
