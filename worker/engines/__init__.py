"""Engines: a reader (the MLLM) and a painter (the DiT) behind one contract, `worker.engines.contract`."""
