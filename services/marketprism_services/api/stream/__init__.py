"""The live stream: messages of the streams to WebSockets and server-sent events, joined, resumed and paced."""
