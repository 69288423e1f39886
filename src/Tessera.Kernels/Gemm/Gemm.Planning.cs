using Tessera.Devices;

namespace Tessera.Kernels;

/// <content>
/// The scratch of a product as plans count it. What one shape really needs is no monotone function of its extents: sums are cut
/// into equal passes, and rows or columns are split. Plans are made for the largest batch and must hold for every smaller one, so they
/// take a bound that grows with every extent.
/// </content>
public static unsafe partial class Gemm
{
    private static void PlanScratch(CpuDevice cpu, int m, int n, int k)
    {
        var mark = cpu.Scratch.Mark();
        long depth = Math.Min(MaximumDepth, k);
        long columns = (long)Tiles(Math.Min(n, MaximumPanelColumns), TileColumns) * TileColumns;
        long rows = (long)Tiles(Math.Min(m, MaximumColumnSplitRows), TileRows) * TileRows;
        long sharedB = Math.Min(columns * k, Math.Max(MaximumSharedB, columns * depth));
        long sharedA = Math.Min(rows * k, Math.Max(MaximumSharedA, rows * depth));
        int chunkRows = Math.Clamp(Tiles(Tiles(m, TileRows), 4 * cpu.Workers.Count), 1, MaximumChunkRows / TileRows) * TileRows;

        // Passes are cut equally, so each holds more than half of the most.
        long phases = (long)Tiles(k, MaximumDepth / 2) * Tiles(n, MaximumPanelColumns);
        cpu.Scratch.Floats(Math.Max(sharedA, sharedB));
        cpu.Scratch.Floats(depth * Math.Max(TileColumns, chunkRows) * cpu.Workers.Count);
        cpu.Scratch.Allocate(sizeof(int));
        cpu.Scratch.Allocate(2L * phases * sizeof(int));
        cpu.Scratch.Release(mark);
    }
}
