"""The page of results: one HTML document that needs no network and no server.

`page.html` is built from `web/`, which has the script and the style of the page. `page_document`
fills `page.html`. `page_columns` and `page_sample` make the table that the page holds, and
`page_facts` and `page_runs` make everything else. `results_page` puts these parts together: for a
file, for a notebook, and for the board.
"""
