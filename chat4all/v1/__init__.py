"""Generated from proto/chat4all/v1/chat.proto by `make setup`; nothing here is written by hand."""
