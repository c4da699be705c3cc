"""Streamlit on :8501 as an ASGI app; knows the gateway HTTP API and nothing else."""
