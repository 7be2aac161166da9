from django.urls import path

from shop import views

urlpatterns = [
    path("", views.index, name="index"),
    path("jobs/", views.jobs, name="jobs"),
    path("upload/", views.upload, name="upload"),
    path("fetch/", views.fetch, name="fetch"),
    path("fail/", views.fail, name="fail"),
    path("chain/", views.chain, name="chain"),
    path("samples/products.csv", views.sample, name="sample"),
]
