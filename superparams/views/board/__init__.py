"""The board: a server on this machine that shows the page of results while runs go on.

`board_server` answers requests, and refuses those of others; `result_feed` follows the records of
one experiment, `record_stamp` tells whether they have changed, and `changed_rows` tells which rows
have. Nothing is written, and nothing but the standard library serves it.
"""
