"""One module a page: what a request asks for, and the values that its template shows."""
