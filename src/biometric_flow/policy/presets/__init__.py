"""Policy packs as data files, each number with its source; what no source gave is not in them."""
