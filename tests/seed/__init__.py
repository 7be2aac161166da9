"""The text that django_repid grew from: its examples run, and its sentences hold."""
