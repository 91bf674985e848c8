#!/usr/bin/env bash
# What docs/backup.md shows, in order.

# #region take
data=${KEELSON_DATA_FOLDER:-.keelson}

# While the service works, or not.
keelson backup elsewhere/keelson.backup --data-folder "$data"

# What no backup holds, kept elsewhere and apart from it.
cp -R "$data/keys" "$data/signing-keys" apart/
cp -R "$data/checkpoints" elsewhere/
# #endregion take

# #region restore
mkdir -m 700 restored
cp -R apart/keys apart/signing-keys elsewhere/checkpoints restored/
keelson restore elsewhere/keelson.backup --data-folder restored --checkpoint-folder restored/checkpoints
keelson verify --data-folder restored
# #endregion restore
