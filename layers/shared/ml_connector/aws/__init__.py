"""AWS: tables, queues, secrets.

A cold start leaves some 70,000 objects and a few hundred that are garbage. Looking for these every 2,000 objects, as
Python does by itself, is a twentieth of the start (docs/adr/0001-layers.md); so they are looked for later.
"""

import gc

gc.set_threshold(100_000)
