console.log(1);
//# sourceMappingURL=script.js.map
