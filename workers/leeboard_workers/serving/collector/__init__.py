"""The collector: takes predictions, events and late labels, and appends them to Delta tables.

POST /v1/predictions       one PredictionBatch document or a list of them: Leeboard's transformers
POST /v1/events            CloudEvents of KServe's own logger
POST /v1/labels            outcomes that became known: JSON, CSV, Arrow
GET  /v1/tables/{…}/{…}    where a log lies, and how much it holds

request ── application ── predictions, events, labels: checked ── journal: one fsync for many ── 200
                                                                    │ every few seconds
                                      rows ── tables: each once ◄── carrying ── pairing of events
                                                └── upkeep: compaction, checkpoints, retention
"""
