"""What `django_repid.testing` gives to the tests of others."""
