"""Handlers of the catalog."""

from __future__ import annotations

from replies import App, author, versioned

from tallygate.contracts.base.queries import expected
from tallygate.contracts.base.requests import switched_on
from tallygate.contracts.catalog.answers import CatalogChanges
from tallygate.contracts.catalog.catalog import read_catalog
from tallygate.domain.catalog.catalog import name_of
from tallygate.domain.catalog.forms import catalog_form
from tallygate.http import Answer, Request
from tallygate.operations.catalog.catalog import declare_catalog


def put_catalog(app: App, request: Request) -> Answer:
    dry_run, demanded = switched_on(request.query, "dry_run"), expected(request.headers)
    wanted = read_catalog(request.json())
    declared = declare_catalog(
        app.catalog,
        wanted,
        expected=demanded,
        dry_run=dry_run,
        now=app.clock.now(),
        by=author(app, request),
        audits=app.audits,
    )
    changes = [
        {"action": change.action, **name_of(change.entry), "customers": count}
        for change, count in zip(declared.changes, declared.concerned, strict=True)
    ]
    body = CatalogChanges.of(declared, dry_run=dry_run, changes=changes)
    return versioned(body, declared.version)


def get_catalog(app: App, _request: Request) -> Answer:
    stored = app.catalog.read()
    return versioned(catalog_form(stored.catalog), stored.version)
