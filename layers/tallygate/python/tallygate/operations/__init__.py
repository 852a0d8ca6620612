"""The imperative shell: one file and one public function per verb, over (store, request, now)."""
