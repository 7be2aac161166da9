from django.contrib import admin

from shop.models import Order, Product, TillCount, Upload


@admin.register(Product)
class ProductAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    list_display = ("sku", "name", "price", "stock")
    search_fields = ("sku", "name")


@admin.register(Upload)
class UploadAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # as above
    list_display = ("name", "created")
    readonly_fields = ("created",)


@admin.register(Order)
class OrderAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # as above
    list_display = ("pk", "customer", "product", "quantity", "created")


@admin.register(TillCount)
class TillCountAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # as above
    list_display = ("counted", "products", "orders")
