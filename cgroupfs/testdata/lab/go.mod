module testdata // not part of the module zip: file names
