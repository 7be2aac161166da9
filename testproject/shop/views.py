from pathlib import Path
from uuid import uuid4

from django.conf import settings
from django.db import transaction
from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from django_repid import Job
from shop import jobs as journal
from shop.forms import UploadForm
from shop.models import Product, Upload


@never_cache
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    return _page(request, UploadForm())


@never_cache
@require_safe
def jobs(request: HttpRequest) -> HttpResponse:
    """The part of the page that changes; a script asks for it every two seconds."""
    return render(request, "shop/jobs.html", _news(request))


@require_safe
def sample(request: HttpRequest) -> FileResponse:
    path = Path(settings.BASE_DIR, "samples", "products.csv")
    return FileResponse(path.open("rb"), as_attachment=True)


@require_POST
def upload(request: HttpRequest) -> HttpResponse:
    form = UploadForm(request.POST, request.FILES)
    if not form.is_valid():
        return _page(request, form, status=422)
    name = form.cleaned_data["file"].name
    # One transaction: there is never a job without its file, nor a file that no job looks at.
    with transaction.atomic():
        stored = Upload.objects.create(name=name, content=form.text)
        job = Job("import_products", args={"upload_id": stored.pk})
        receipt = job.enqueue_sync()
    journal.remember(request.session, journal.note(f"Import {name}", job, receipt))
    return redirect("index")


@require_POST
async def fetch(request: HttpRequest) -> HttpResponse:
    job = Job("fetch_prices", args={"count": 5})
    receipt = await job.enqueue()
    await journal.aremember(request.session, journal.note("Fetch five prices", job, receipt))
    return redirect("index")


@require_POST
def fail(request: HttpRequest) -> HttpResponse:
    """Two retries make three tries: the third succeeds, unless it was to fail for good."""
    always = "always" in request.POST
    args = {"key": uuid4().hex, "successful_try": 99 if always else 3}
    job = Job("flaky", args=args)
    label = "Fail at every try" if always else "Fail twice, then succeed"
    journal.remember(request.session, journal.note(label, job, job.enqueue_sync()))
    return redirect("index")


@require_POST
def chain(request: HttpRequest) -> HttpResponse:
    """The second job's arguments are the first one's result, for which it waits."""
    link = uuid4().hex
    first = Job(
        "add_hello",
        args={"user_name": "Alex", "user_id": 123, "messages": ["This is your first message!"]},
        result_id=link,
    )
    second = Job("add_id", args_id=link)
    receipts = Job.enqueue_many_sync([first, second])
    journal.remember(
        request.session,
        journal.note("Chain, 1: add_hello", first, receipts[0]),
        journal.note("Chain, 2: add_id", second, receipts[1]),
    )
    return redirect("index")


def _page(request: HttpRequest, form: UploadForm, *, status: int = 200) -> HttpResponse:
    return render(request, "shop/index.html", {"form": form, **_news(request)}, status=status)


def _news(request: HttpRequest) -> dict[str, object]:
    return {
        "jobs": journal.shown(request.session),
        "has_worker": journal.has_worker(),
        "products": Product.objects.count(),
    }
