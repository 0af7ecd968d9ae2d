"""The HTTP edge: parse a request once into a frozen form, call the service, render its answer. A file per noun."""
