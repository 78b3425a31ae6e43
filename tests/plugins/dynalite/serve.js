// Serves dynalite on a port of the system's choice, which is the first line that it prints.
const server = require("dynalite")({ createTableMs: 0 });
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
