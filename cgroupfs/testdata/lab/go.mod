module testdata // its file names do not fit into a module zip
