#!/usr/bin/env bash
# What docs/checkpoints.md shows, in order. `samples` is this folder, `stop` stops the service.

# #region keep
data=${KEELSON_DATA_FOLDER:-.keelson}

# While the service runs, or after it. Both files go elsewhere.
keelson checkpoint --data-folder "$data" > elsewhere/keelson.checkpoint
keelson checkpoint --data-folder "$data" --show-keys > elsewhere/public-keys.txt
# #endregion keep

$STOP_SERVICE

# #region look
keelson verify --data-folder "$data" --checkpoint elsewhere/keelson.checkpoint --keys elsewhere/public-keys.txt

# One event, by its id or its position, for somebody who has only the public keys.
keelson prove 3 --data-folder "$data" > elsewhere/event.tlog-proof

# The journal as it is now is the continuation of the one that was kept.
keelson prove --from elsewhere/keelson.checkpoint --data-folder "$data" > elsewhere/growth.proof
# #endregion look

# #region check
cd elsewhere
keelson prove --check event.tlog-proof --keys public-keys.txt
keelson prove --check growth.proof --from keelson.checkpoint --keys public-keys.txt

# The same by a program that shares no code with Keelson: Python 3.8 or newer, nothing else.
python3 "$samples/check_proof.py" public-keys.txt event.tlog-proof
python3 "$samples/check_proof.py" public-keys.txt growth.proof keelson.checkpoint
# #endregion check
