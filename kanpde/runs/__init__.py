"""One run and many: settings composed and checked, solved, filed in folders, swept over."""
