"""The imperative shell: one file and one public function per verb. Functions take the store, the request and `now`."""
