export const name = "ESModule";
