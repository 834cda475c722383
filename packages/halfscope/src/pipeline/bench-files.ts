/** Names of what a benchmark writes into its folder. */
export const benchFiles = { document: "bench.json", page: "bench.html" } as const;
