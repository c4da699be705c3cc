"""ZK terminals: the wire protocol, an asyncio client and a terminal made of software."""
