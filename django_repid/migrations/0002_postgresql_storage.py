"""How PostgreSQL stores the hot table: rows change twice and go, so room and vacuum come early."""

from collections.abc import Callable, Iterable
from typing import Any

from django.db import migrations

# fillfactor: the version that a claim writes stays on its page. The scale: of a queue that has been
# a million rows long, autovacuum would else wait for 200,000 dead ones.
_OPTIONS = {
    'fillfactor': '80',
    'autovacuum_vacuum_scale_factor': '0.01',
    'autovacuum_vacuum_cost_delay': '1',
}


def _alter(action: str, options: Iterable[str]) -> Callable[[Any, Any], None]:
    def run(apps: Any, schema_editor: Any) -> None:
        if schema_editor.connection.vendor == 'postgresql':
            model = apps.get_model('django_repid', 'Message')
            table = schema_editor.quote_name(model._meta.db_table)
            schema_editor.execute(f'ALTER TABLE {table} {action} ({", ".join(options)})')

    return run


class Migration(migrations.Migration):

    dependencies = [('django_repid', '0001_initial')]

    operations = [
        migrations.RunPython(
            _alter('SET', [f'{name} = {value}' for name, value in _OPTIONS.items()]),
            _alter('RESET', _OPTIONS),
            elidable=False,
        ),
    ]
