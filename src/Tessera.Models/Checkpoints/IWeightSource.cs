using Tessera.Models.Blocks;
using Tessera.Models.Configuration;

namespace Tessera.Models.Checkpoints;

/// <summary>Stored weights of one model, given out slice by slice. Opening has checked that there is one for every slice and no other.</summary>
internal interface IWeightSource : IDisposable
{
    /// <summary>The model's shapes.</summary>
    ModelConfiguration Configuration { get; }

    /// <summary>Reads the rows of a parameter that a stored tensor holds, and lets its pages go.</summary>
    /// <exception cref="InvalidDataException">The tensor has another shape, or numbers the parameter cannot hold.</exception>
    void Fill(WeightSlice slice);
}
