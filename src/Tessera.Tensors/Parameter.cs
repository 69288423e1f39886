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
    private float* _panels;
    private PackedMatrix _packed;
    private long _packedVersion = -1;

    /// <summary>Takes room for a weight in an arena; the contents are not initialised.</summary>
    /// <param name="name">Name for messages and optimiser state, unique in its model.</param>
    /// <param name="rows">Output features; 1 for a norm's gain.</param>
    /// <param name="columns">Input features; 1 for a bias.</param>
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
    public float* Gradient { get; private set; }

    /// <summary>True while the tape computes a gradient for it.</summary>
    public bool IsTrainable => Gradient is not null;

    /// <summary>False for norms' gains [1, n] and biases [n, 1], which weight decay leaves alone.</summary>
    public bool Decays => Rows > 1 && Columns > 1;

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
        Gradient = (float*)arena.AllocateZeroed(Count * sizeof(float));
    }

    /// <summary>Freezes it; the buffer stays with its arena.</summary>
    public void Freeze() => Gradient = null;

    /// <summary>Sets the gradient to zero.</summary>
    public void ClearGradient()
    {
        if (Gradient is not null)
        {
            System.Runtime.InteropServices.NativeMemory.Clear(Gradient, (nuint)(Count * sizeof(float)));
        }
    }

    /// <summary>Whether products with many rows read it from packed panels of f32.</summary>
    public bool CanPack => Type is DType.F32 or DType.BF16;

    /// <summary>Whether <see cref="Packed"/> keeps a packed form.</summary>
    public bool KeepsPacked => _panels is not null;

    /// <summary>Bytes that <see cref="KeepPacked"/> takes.</summary>
    public long PackedBytes => Gemm.PackedFloats(Rows, Columns) * sizeof(float);

    /// <summary>
    /// Takes room for the panels in which a product with many rows reads this weight. They are made at first use and again
    /// when the master has changed.
    /// </summary>
    public void KeepPacked(Arena arena)
    {
        _panels = arena.Floats(Gemm.PackedFloats(Rows, Columns));
        _packedVersion = -1;
    }

    /// <summary>Forgets the panels; their arena may be disposed of.</summary>
    public void DropPacked() => _panels = null;

    /// <summary>Wᵀ packed from the present master, or nothing where no room was taken for it.</summary>
    public PackedMatrix Packed(Device device)
    {
        if (_panels is null)
        {
            return default;
        }

        if (_packedVersion != Version)
        {
            _packed = Gemm.PackRight(device, View, true, Rows, Columns, _panels);
            _packedVersion = Version;
        }

        return _packed;
    }

    /// <summary>Says that the master was written.</summary>
    public void MarkChanged() => Version++;
}
