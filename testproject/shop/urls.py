from django.urls import path

from shop import desk, views

urlpatterns = [
    path("", views.index, name="index"),
    path("jobs/", views.jobs, name="jobs"),
    path("samples/products.csv", views.sample, name="sample"),
    path("order/", desk.order, name="order"),
    path("order-in-vain/", desk.order_in_vain, name="order_in_vain"),
    path("upload/", desk.upload, name="upload"),
    path("thumbnail/", desk.thumbnail, name="thumbnail"),
    path("fetch/", desk.fetch, name="fetch"),
    path("check-shelves/", desk.check_shelves, name="check_shelves"),
    path("fail/", desk.fail, name="fail"),
    path("chain/", desk.chain, name="chain"),
    path("take-stock/", desk.take_stock, name="take_stock"),
    path("cancel/", desk.cancel, name="cancel"),
]
