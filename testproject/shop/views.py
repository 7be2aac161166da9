"""The page. What its buttons do is in `shop.desk`."""

from pathlib import Path

from django.conf import settings
from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from shop import journal
from shop.forms import PictureForm, UploadForm
from shop.models import Product, TillCount


@never_cache
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    return page(request)


@never_cache
@require_safe
def jobs(request: HttpRequest) -> HttpResponse:
    """The part of the page that changes; a script asks for it every second."""
    return render(request, "shop/jobs.html", _news(request))


@require_safe
def sample(request: HttpRequest) -> FileResponse:
    path = Path(settings.BASE_DIR, "samples", "products.csv")
    return FileResponse(path.open("rb"), as_attachment=True)


def page(request: HttpRequest, **forms: UploadForm | PictureForm) -> HttpResponse:
    """Return the page; a form that was filled in wrongly comes back with what is wrong."""
    from shop.exhibits import EXHIBITS  # whose views come back here

    context = {
        "exhibits": EXHIBITS,
        "upload_form": UploadForm(),
        "picture_form": PictureForm(),
        **forms,
        **_news(request),
    }
    return render(request, "shop/index.html", context, status=422 if forms else 200)


def _news(request: HttpRequest) -> dict[str, object]:
    return {
        "jobs": journal.shown(request.session),
        "has_worker": journal.has_worker(),
        "products": Product.objects.count(),
        "count": TillCount.objects.first(),
    }
