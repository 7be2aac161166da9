"""The admin, and views that enqueue."""

from django.contrib import admin
from django.urls import path

from tests.shop import views

urlpatterns = [
    path("admin/", admin.site.urls),
    path("sync/", views.sync_view),
    path("async/", views.async_view),
    path("broken/", views.broken_view),
    path("misuse/", views.misuse_view),
]
