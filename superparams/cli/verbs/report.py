"""Write the page of results to a file."""

from __future__ import annotations

from pathlib import Path

import click

from superparams.cli import common_options, json_document
from superparams.cli.session import Session, single
from superparams.errors import safe_text

__all__ = ["command"]


@click.command("report")
@common_options.named
@click.option(
    "-o",
    "--output",
    "file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    callback=common_options.output_file,
    help="The file; by default NAME.html in the working directory.",
)
@click.option("--force", "is_forced", is_flag=True, help="Replace the file, whatever it is.")
@common_options.in_results
@common_options.as_json
@click.pass_obj
def command(
    session: Session,
    target: str,
    file: Path | None,
    is_forced: bool,
    results: Path | None,
    is_json: bool,
) -> None:
    """Write the page of results: one HTML file to look at and to send.

    The page has the table, pictures, failures and runs. It needs no network, no server and no
    superparams. An older page is replaced; another file only with --force. NAME may also be the
    path of a results folder. The file of the experiment is read and not imported.

    \b
    Examples:
      experiment report RQ1
      experiment report results/RQ1.Digits -o digits.html
    """
    from superparams.store.runs.folder import safe_name

    records = session.recorded_by_text(target, results)
    record = single([x for x in records if x.has_records] or records, "a page shows")
    path = file or Path(f"{safe_name(record.name)}.html")
    page = record.results.to_html(path, overwrite=is_forced)
    if is_json:
        json_document.write({"experiment": record.name, "page": str(page)})
        return
    click.echo(record.results.summary)
    click.echo(safe_text.line(page))
