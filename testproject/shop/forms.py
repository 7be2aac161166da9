import csv
from typing import Any

from django import forms

from shop import sheet

MOST_BYTES = 1_000_000


class UploadForm(forms.Form):
    """Refuses at once what no worker could import. What is wrong with single rows the job finds."""

    file = forms.FileField(
        label="Product list (CSV)",
        help_text=f"UTF-8 with the columns {', '.join(sheet.COLUMNS)}; at most 1\u00a0MB.",
        error_messages={
            "required": "Choose a CSV file first.",
            "missing": "Choose a CSV file first.",
            "empty": "This file is empty.",
        },
        widget=forms.FileInput(attrs={"accept": ".csv,text/csv"}),
    )
    #: The content of the file as text, once the form is valid.
    text: str

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file.size > MOST_BYTES:
            message = "This file is larger than 1 MB."
            raise forms.ValidationError(message)
        try:
            self.text = file.read().decode("utf-8-sig")
        except UnicodeDecodeError:
            message = "This file is not UTF-8 text. Save it as “CSV UTF-8” and try again."
            raise forms.ValidationError(message) from None
        if problem := _problem(self.text):
            raise forms.ValidationError(problem)
        return file


class PictureForm(forms.Form):
    picture = forms.ImageField(
        label="A picture of yours",
        required=False,
        error_messages={"invalid_image": "This file is not a picture that can be read."},
        widget=forms.FileInput(attrs={"accept": "image/*"}),
    )

    def clean_picture(self) -> Any:
        picture = self.cleaned_data["picture"]
        if picture and picture.size > 10 * MOST_BYTES:
            message = "This picture is larger than 10 MB."
            raise forms.ValidationError(message)
        return picture


def _problem(text: str) -> str | None:
    if "\x00" in text:  # PostgreSQL could not store it
        return "This file is not text: it has NUL characters in it."
    try:
        missing = sheet.missing_columns(text)
    except csv.Error as error:
        return f"This file is not CSV: {error}."
    if missing:
        return f"Its first line must name the columns; missing: {', '.join(missing)}."
    return None
