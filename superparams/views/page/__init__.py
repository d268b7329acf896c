"""The page of results: one HTML document that needs no network and no server.

`page.html` is built from `web/`, which has the script and the style of the page. `page_document`
fills it, `page_columns` and `page_sample` make the table that goes into it, and `page_facts`,
`page_runs` and `page_logs` make the rest. `results_page` puts these together: for a file, for a
notebook, and for the board.
"""
