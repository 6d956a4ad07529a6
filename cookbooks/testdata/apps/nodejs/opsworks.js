// What a release brings under this name gives way to the server's.
exports.db = "the own one of the release";
