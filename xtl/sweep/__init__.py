"""Pure: manifest, lock, shard and its id, cells, plan, bundles, forecast. No I/O, no clock."""
