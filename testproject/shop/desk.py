"""What the buttons of the page do: sync and async views that enqueue jobs."""

from pathlib import Path
from uuid import uuid4

from django.conf import settings
from django.core.files import File
from django.core.files.storage import default_storage
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from django_repid import Job
from shop import journal, tasks
from shop.forms import PictureForm, UploadForm
from shop.models import Order, Upload
from shop.views import page

CUSTOMER = "alex@example.com"


@require_POST
def upload(request: HttpRequest) -> HttpResponse:
    form = UploadForm(request.POST, request.FILES)
    if not form.is_valid():
        return page(request, upload_form=form)
    name = form.cleaned_data["file"].name
    # One transaction: never a job without its file, nor a file without its job.
    with transaction.atomic():
        stored = Upload.objects.create(name=name, content=form.text)
        job = Job("import_products", args={"upload_id": stored.pk})
        receipt = job.enqueue_sync()
    return journal.started(request, f"Import {name}", job, receipt)


@require_POST
def thumbnail(request: HttpRequest) -> HttpResponse:
    form = PictureForm(request.POST, request.FILES)
    if not form.is_valid():
        return page(request, picture_form=form)
    sample = Path(settings.BASE_DIR, "samples", "poster.jpg")
    with form.cleaned_data["picture"] or File(sample.open("rb"), sample.name) as file:
        name = default_storage.save(uuid4().hex, file)
    job = Job.of(tasks.make_thumbnail, name)
    return journal.started(request, f"Shrink {file.name}", job, job.enqueue_sync())


@require_POST
def order(request: HttpRequest) -> HttpResponse:
    with transaction.atomic():
        order = Order.objects.create(customer=CUSTOMER, product="Enamel kettle")
        job = Job.of(tasks.send_receipt, order.pk)
        receipt = job.enqueue_sync()  # commits with the order
    return journal.started(request, f"Receipt for {order}", job, receipt)


@require_POST
def order_in_vain(request: HttpRequest) -> HttpResponse:
    with transaction.atomic():
        order = Order.objects.create(customer=CUSTOMER, product="Knife", quantity=99)
        job = Job.of(tasks.send_receipt, order.pk)
        receipt = job.enqueue_sync()
        if not order.is_possible():
            transaction.set_rollback(True)  # the job goes with it
    return journal.started(request, "Receipt for 99 knives", job, receipt)


@require_POST
async def fetch(request: HttpRequest) -> HttpResponse:
    job = Job.of(tasks.fetch_prices, count=5)
    receipt = await job.enqueue()
    return await journal.astarted(request, "Fetch five prices", job, receipt)


@require_POST
async def check_shelves(request: HttpRequest) -> HttpResponse:
    batch = [Job.of(tasks.check_shelf, number) for number in range(1, 101)]
    receipts = await Job.enqueue_many(batch)  # in one go
    return await journal.astarted_many(request, "Check 100 shelves", batch, receipts)


@require_POST
def fail(request: HttpRequest) -> HttpResponse:
    """Two retries make three tries: the third succeeds, unless it was to fail for good."""
    always = "always" in request.POST
    job = Job("flaky", args={"key": uuid4().hex, "successful_try": 99 if always else 3})
    label = "Fail at every try" if always else "Fail twice, then succeed"
    return journal.started(request, label, job, job.enqueue_sync())


@require_POST
async def chain(request: HttpRequest) -> HttpResponse:
    """The second job's arguments are the first one's result, for which it waits."""
    link = uuid4().hex
    args = {"user_name": "Alex", "user_id": 123, "messages": ["This is your first message!"]}
    first = Job("add_hello", args=args, result_id=link)
    second = Job("add_id", args_id=link)
    receipts = await Job.enqueue_many([first, second])
    await journal.astarted(request, "Chain, 1: add_hello", first, receipts[0])
    return await journal.astarted(request, "Chain, 2: add_id", second, receipts[1])


@require_POST
async def take_stock(request: HttpRequest) -> HttpResponse:
    job = Job.of(tasks.take_stock, minutes=5).using(priority=9)
    return await journal.astarted(request, "Take stock", job, await job.enqueue())


@require_POST
async def cancel(request: HttpRequest) -> HttpResponse:
    """A job that waits is gone at once; one that runs is asked to stop."""
    if await journal.is_theirs(request, id_ := request.POST.get("id", "")):
        await Job(tasks.take_stock, id_=id_).cancel()
    return redirect("index")
