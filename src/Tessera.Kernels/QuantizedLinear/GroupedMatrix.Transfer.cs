using Tessera.Devices;

namespace Tessera.Kernels;

public static unsafe partial class GroupedMatrix
{
    /// <summary>Rows on their way into a matrix or out of it; lives on the stack of the launching thread.</summary>
    private struct Transfer
    {
        /// <summary>No row was refused.</summary>
        public const long Fine = long.MaxValue;

        /// <summary>Moves a row; returns the group that it refuses, or −1.</summary>
        public delegate*<in MatrixView, int, byte*, int> Move;
        public MatrixView Matrix;
        public int FirstRow;
        public int Rows;
        public byte* Memory;
        public long RowBytes;
        public long FirstBad;
    }

    /// <returns>Row · groups + group of the first group that was refused, or <see cref="Transfer.Fine"/>.</returns>
    private static long Run(
        Device device, delegate*<in MatrixView, int, byte*, int> move, in MatrixView matrix, int firstRow, int rows, byte* memory, long rowBytes)
    {
        var transfer = new Transfer
        {
            Move = move,
            Matrix = matrix,
            FirstRow = firstRow,
            Rows = rows,
            Memory = memory,
            RowBytes = rowBytes,
            FirstBad = Transfer.Fine,
        };
        using var scope = CpuDevice.Enter(device);
        RowLaunch.Run(scope.Processor, &MoveShare, &transfer, (long)rows * matrix.Columns);
        return transfer.FirstBad;
    }

    // A body must not throw: what it refuses is noted, the lowest place if several workers refuse something.
    private static void MoveShare(void* context, int worker, int workers)
    {
        var transfer = (Transfer*)context;
        var (start, end) = WorkerPool.Share(transfer->Rows, worker, workers);
        for (int r = start; r < end; r++)
        {
            int row = transfer->FirstRow + r, group = transfer->Move(transfer->Matrix, row, transfer->Memory + (r * transfer->RowBytes));
            if (group < 0)
            {
                continue;
            }

            long place = ((long)row * Groups(transfer->Matrix.Columns)) + group, seen;
            while ((seen = Interlocked.Read(ref transfer->FirstBad)) > place
                && Interlocked.CompareExchange(ref transfer->FirstBad, place, seen) != seen)
            {
            }

            return;
        }
    }
}
