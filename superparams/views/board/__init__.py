"""The board: a server on this machine that shows the page of results while runs go on.

`board_server` answers requests, and refuses those without the token; `result_feed` follows the
records of one experiment, `record_stamp` tells whether the records have changed, and `changed_rows`
tells which rows have changed. The board writes nothing, and uses only the standard library.
"""
