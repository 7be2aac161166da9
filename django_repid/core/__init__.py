"""What a job is. Standard library and asgiref only, no Django.

Floors, each importing only those above it in this list::

    errors  names  clock  options
    message  bucket  retry  serializer
    codec
    protocols (the seam)  verdict  middleware
    connection  host
    queue
    converter
    actor
    router  job
"""
