"""The members of documents that no client sees: they begin with an underscore, which no member of AWS's does.

They are written as plain strings where they are used; a test holds that every one of them is declared here.
"""

from __future__ import annotations

MEMBERS = {
    "_artifact": "ARN under which the files of a recommender's model lie; a solution version's lie under its own.",
    "_attempts": "How often a job was begun; given back when its worker was ended on purpose.",
    "_changes": "What will become of the document by itself: (epoch seconds, members) one after the other.",
    "_columns": "Which columns a solution or recommender sees, settled when it was created.",
    "_counted": "How many rows a data deletion found before it removed any: run twice, it tells the same.",
    "_data": "Stamps of the datasets that a training read, by type: whether new data came since.",
    "_deletedAt": "Epoch seconds at which a deleted document vanishes.",
    "_due": "Epoch seconds of the next of `_changes`.",
    "_from": "Number of the newest event that came before a metric attribution, which counts later ones only.",
    "_incarnation": "Tells a dataset from an earlier one of the same ARN; absent in folders from before it was kept.",
    "_leaseUntil": "Epoch seconds until which a job is its worker's unless the lease is renewed.",
    "_lookAgain": "Epoch seconds before which a solution's schedule need not be looked at.",
    "_lookedAt": "Epoch seconds at which `_lookAgain` was set.",
    "_metrics": "Metrics of a model and of what it should beat, on the same split.",
    "_nextSchemaArn": "Schema that a dataset is being changed to, so that nobody deletes it meanwhile.",
    "_nextSolutionArn": "Solution of the version that a campaign is being changed to, likewise.",
    "_owner": "Token of the worker that holds a job: only its holder may finish it.",
    "_progress": "How far a job is: share, text, and what a network tells of its training.",
    "_report": "What an import left out and why, whom a deletion did not find, or what a batch job answered.",
    "_scheduledFrom": "Epoch seconds from which a solution's schedule counts, after its rate was changed.",
    "_started": "Epoch seconds at which a job was begun last.",
    "_trainedAt": "Epoch seconds at which a recommender's last retraining was due.",
    "_updatedAt": "Epoch seconds at which the last two-hour update of a model was due.",
    "_updatedData": "Stamps of the datasets that the last two-hour update read, as `_data`.",
    "_updates": "The FULL version whose model a version of training mode UPDATE brings up to date.",
    "_warnings": "What is odd about the data that a training saw.",
}
"""What each one says, by name."""
