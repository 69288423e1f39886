using Tessera.Devices;
using Tessera.Kernels;

namespace Tessera.Tensors;

/// <content>How the host reads and writes a master, wherever it lies: in portions, as matrices in the host's own memory.</content>
public sealed partial class Parameter
{
    /// <summary>What a portion takes at most, unless one unit of rows takes more.</summary>
    private const long PortionBytes = 32L << 20;

    /// <summary>Has the host write rows of the master.</summary>
    /// <param name="start">First row.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="fill">Writes all of a portion; told how many of the rows come before it.</param>
    /// <param name="unit">A portion holds a multiple of so many rows, but for the last.</param>
    /// <exception cref="InvalidOperationException">As <see cref="RowsView"/>.</exception>
    public void Write(int start, int rows, Action<int, MatrixView> fill, int unit = 1)
    {
        InPortions(start, rows, unit, (row, portion) => Memory.Write(
            portion.Address, Type.MatrixBytes(portion.Rows, Columns), room => fill(row, portion with { Address = room })));
        MarkChanged();
    }

    /// <summary>As <see cref="Write"/>, for who changes only some elements.</summary>
    /// <inheritdoc cref="Write" />
    public void Edit(int start, int rows, Action<int, MatrixView> change, int unit = 1)
    {
        InPortions(start, rows, unit, (row, portion) => Memory.Edit(
            portion.Address, Type.MatrixBytes(portion.Rows, Columns), room => change(row, portion with { Address = room })));
        MarkChanged();
    }

    /// <summary>Has the host change any of the rows, with the whole master before it: for rows that are interleaved.</summary>
    public void EditWhole(Action<MatrixView> change)
    {
        Memory.Edit(Address, Bytes, room => change(Master with { Address = room }));
        MarkChanged();
    }

    /// <summary>Shows the host rows of the master.</summary>
    /// <param name="start">First row.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="use">Reads a portion, which is there during the call; told how many of the rows come before it.</param>
    /// <param name="unit">A portion holds a multiple of so many rows, but for the last.</param>
    /// <exception cref="InvalidOperationException">As <see cref="RowsView"/>.</exception>
    public void Read(int start, int rows, Action<int, MatrixView> use, int unit = 1) =>
        InPortions(start, rows, unit, (row, portion) => Memory.Read(
            portion.Address, Type.MatrixBytes(portion.Rows, Columns), room => use(row, portion with { Address = room })));

    /// <summary>Shows the host the whole master at once: for rows that are interleaved.</summary>
    public void ReadWhole(Action<MatrixView> use) => Memory.Read(Address, Bytes, room => use(Master with { Address = room }));

    private void InPortions(int start, int rows, int unit, Action<int, MatrixView> move)
    {
        if (Type == DType.FP8)
        {
            throw new InvalidOperationException($"parameter {Name} is stored in fp8, with scales behind its rows: it is read and written as a whole");
        }

        long unitBytes = Math.Max(1, Type.MatrixBytes(unit, Columns));
        long most = Math.Max(1, PortionBytes / unitBytes) * unit;
        for (int row = 0; row < rows; row += (int)Math.Min(most, rows - row))
        {
            move(row, RowsView(start + row, (int)Math.Min(most, rows - row)));
        }
    }
}
