module.exports = { name: "CommonJS" };
