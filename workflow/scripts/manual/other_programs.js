// What abcjs and abc2svg say of texts of ABC.
//
// Reads a list of texts in JSON, and writes {program: {version, errors: [[message, ...] of each text]}} of those of the
// two packages that NODE_PATH, or a folder node_modules above this file, has.
const fs = require("fs");
const texts = JSON.parse(fs.readFileSync(0, "utf-8"));

function byAbcjs(module) {
  const plain = (warning) => warning.replace(/^Music Line:\d+:\d+:\s*/, "").replace(/:  .*$/s, "");
  return (text) => module.parseOnly(text).flatMap((tune) => (tune.warnings || []).map(plain));
}

function byAbc2svg(module) {
  return (text) => {
    const errors = [];
    const user = {
      img_out: () => {},
      read_file: () => "",
      errbld: (severity, message) => severity === "warn" || errors.push(message),
    };
    new module.abc2svg.Abc(user).tosvg("tune", text);
    return errors;
  };
}

function ask(path, versionOf, make) {
  let module;
  try {
    module = require(path);
  } catch (error) {
    if (error.code === "MODULE_NOT_FOUND") return undefined;
    throw error;
  }
  const judge = make(module);
  const errors = texts.map((text) => {
    try {
      return judge(text);
    } catch (error) {
      return [`crash: ${error}`];
    }
  });
  return { version: versionOf(module), errors };
}

console.log(
  JSON.stringify({
    abcjs: ask("abcjs", (module) => module.signature.replace(/^.* v/, ""), byAbcjs),
    abc2svg: ask("abc2svg/abc2svg-1.js", (module) => module.abc2svg.version, byAbc2svg),
  })
);
