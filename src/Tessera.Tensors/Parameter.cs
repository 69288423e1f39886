using Tessera.Devices;
using Tessera.Kernels;

namespace Tessera.Tensors;

/// <summary>
/// A weight with one master copy. While it is trained the master is f32 and a gradient buffer stands beside it; a frozen
/// weight may be stored in bf16. Every change goes through <see cref="MarkChanged"/>, so that derived forms can tell
/// whether they are stale.
/// </summary>
public sealed unsafe class Parameter
{
    private float* _gradient;
    private bool _clearsLater;

    /// <summary>Takes room for a weight in an arena; the contents are not initialised.</summary>
    /// <param name="name">Name for messages and optimiser state, unique in its model.</param>
    /// <param name="rows">Output features; 1 for a norm's gain.</param>
    /// <param name="columns">Input features.</param>
    /// <param name="type">f32 or bf16.</param>
    /// <param name="arena">Owner of the memory.</param>
    public Parameter(string name, int rows, int columns, DType type, Arena arena)
    {
        Name = name;
        Rows = rows;
        Columns = columns;
        Type = type;
        Address = arena.Allocate(Count * type.Bytes());
    }

    /// <summary>Name for messages and optimiser state.</summary>
    public string Name { get; }

    /// <summary>Output features.</summary>
    public int Rows { get; }

    /// <summary>Input features.</summary>
    public int Columns { get; }

    /// <summary>Storage type of the master.</summary>
    public DType Type { get; }

    /// <summary>The master's first element.</summary>
    public nint Address { get; }

    /// <summary>Number of elements.</summary>
    public long Count => (long)Rows * Columns;

    /// <summary>Bytes of the master.</summary>
    public long Bytes => Count * Type.Bytes();

    /// <summary>The gradient of the loss, f32, accumulated until <see cref="ClearGradient"/>; null while frozen.</summary>
    public float* Gradient
    {
        get
        {
            if (_clearsLater)
            {
                _clearsLater = false;
                System.Runtime.InteropServices.NativeMemory.Clear(_gradient, (nuint)(Count * sizeof(float)));
            }

            return _gradient;
        }
    }

    /// <summary>True while the tape computes a gradient for it.</summary>
    public bool IsTrainable => _gradient is not null;

    /// <summary>False for norms' gains, which weight decay leaves alone.</summary>
    public bool Decays => Rows > 1;

    /// <summary>Counts changes of the master.</summary>
    public long Version { get; private set; }

    /// <summary>The master as a kernel operand.</summary>
    public MatrixView View => new(Address, Type, Rows, Columns);

    /// <summary>The master's f32 elements.</summary>
    /// <exception cref="InvalidOperationException">It is stored in bf16.</exception>
    public float* Floats => Type == DType.F32
        ? (float*)Address
        : throw new InvalidOperationException($"parameter {Name} is stored in {Type.Label()}, f32 is needed here");

    /// <summary>Rows [start, start + rows) as a kernel operand.</summary>
    public MatrixView RowsView(int start, int rows) =>
        new(Address + (nint)((long)start * Columns * Type.Bytes()), Type, rows, Columns);

    /// <summary>Gives it a gradient buffer of zeros.</summary>
    public void Train(Arena arena)
    {
        _ = Floats;
        _gradient = (float*)arena.AllocateZeroed(Count * sizeof(float));
        _clearsLater = false;
    }

    /// <summary>Freezes it; the buffer stays with its arena.</summary>
    public void Freeze()
    {
        _gradient = null;
        _clearsLater = false;
    }

    /// <summary>Sets the gradient to zero, at the latest when somebody looks at it.</summary>
    public void ClearGradient() => _clearsLater = _gradient is not null;

    /// <summary>
    /// The gradient for an operation that can assign as well as accumulate: the first one after <see cref="ClearGradient"/> assigns,
    /// which saves a pass that writes zeros and one that reads them.
    /// </summary>
    internal float* ClaimGradient(out bool accumulate)
    {
        accumulate = !_clearsLater;
        _clearsLater = false;
        return _gradient;
    }

    /// <summary>Says that the master was written.</summary>
    public void MarkChanged() => Version++;
}
