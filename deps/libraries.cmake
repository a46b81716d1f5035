# Finds the libraries that mintd links, in MINTD_DEPS before the system: one row each, at the end.

set(MINTD_DEPS ${PROJECT_SOURCE_DIR}/build/deps CACHE PATH
    "Where deps/install unpacks the libraries that the system has not, or has too old")
list(PREPEND CMAKE_PREFIX_PATH ${MINTD_DEPS}/usr)
find_package(PkgConfig REQUIRED)

# mintd_library(NAME MODULE MINIMUM HEADER LIBRARY [REQUIRES other names...])
# Makes the imported target dep::NAME from pkg-config's module MODULE. Only the version is taken
# from pkg-config: the paths in some of Debian's .pc files are wrong.
function(mintd_library name module minimum header library)
    cmake_parse_arguments(arg "" "" REQUIRES ${ARGN})
    find_path(${name}_INCLUDE ${header} PATH_SUFFIXES postgresql)
    find_library(${name}_LIBRARY ${library})
    mark_as_advanced(${name}_INCLUDE ${name}_LIBRARY)
    pkg_check_modules(${name}_PC QUIET ${module}>=${minimum})
    if(NOT ${name}_INCLUDE OR NOT ${name}_LIBRARY OR NOT ${name}_PC_FOUND)
        set_property(GLOBAL APPEND PROPERTY MINTD_MISSING "${module} >= ${minimum}")
        return()
    endif()
    add_library(dep::${name} UNKNOWN IMPORTED GLOBAL)
    set_target_properties(dep::${name} PROPERTIES IMPORTED_LOCATION ${${name}_LIBRARY})
    target_include_directories(dep::${name} INTERFACE ${${name}_INCLUDE})
    foreach(other ${arg_REQUIRES})
        target_link_libraries(dep::${name} INTERFACE dep::${other})
    endforeach()
    # Borrowed and shared: it goes along when the programs are installed.
    cmake_path(IS_PREFIX MINTD_DEPS "${${name}_LIBRARY}" is_borrowed)
    if(is_borrowed AND ${name}_LIBRARY MATCHES "\\.so$")
        file(GLOB files "${${name}_LIBRARY}*")
        install(FILES ${files} DESTINATION ${CMAKE_INSTALL_LIBDIR}/mintd)
    endif()
endfunction()

# Ends the configuration if a library is missing, naming all that are.
function(mintd_libraries_check command)
    get_property(missing GLOBAL PROPERTY MINTD_MISSING)
    if(missing)
        string(REPLACE ";" ", " missing "${missing}")
        message(FATAL_ERROR "Not found: ${missing}. Run ${command} first, or see deps/README.md.")
    endif()
endfunction()

#             name         module      at least header                library
mintd_library(uv           libuv       1.44     uv.h                  uv)
mintd_library(llhttp       libllhttp   9.2      llhttp.h              llhttp)
mintd_library(ssl          libssl      3.0      openssl/ssl.h         ssl)
mintd_library(crypto       libcrypto   3.0      openssl/crypto.h      crypto)
mintd_library(hiredis      hiredis     1.2      hiredis/hiredis.h     hiredis)
mintd_library(hiredis_ssl  hiredis_ssl 1.2      hiredis/hiredis_ssl.h hiredis_ssl
    REQUIRES hiredis ssl crypto)
mintd_library(sodium       libsodium   1.0.18   sodium.h              sodium)
mintd_library(msgpack      msgpack-c   6.0      msgpack.h             msgpack-c)
mintd_library(yyjson       yyjson      0.10     yyjson.h              yyjson)
mintd_library(sqlite3      sqlite3     3.40     sqlite3.h             sqlite3)
mintd_library(pq           libpq       15       libpq-fe.h            pq)
mintd_library(curl         libcurl     7.88     curl/curl.h           curl)
mintd_libraries_check("deps/install")

# Built by deps/install --multi-buffer, and used where it is there.
option(MULTI_BUFFER "Use the multi-buffer signer, if deps/install --multi-buffer has built it" ON)
set(multi_buffer ${MINTD_DEPS}/multi-buffer)
if(MULTI_BUFFER AND EXISTS ${multi_buffer}/crypto_mb.o)
    add_library(dep::crypto_mb INTERFACE IMPORTED GLOBAL)
    target_link_libraries(dep::crypto_mb INTERFACE ${multi_buffer}/crypto_mb.o)
endif()

if(TESTS)
    mintd_library(cmocka   cmocka      1.1.5    cmocka.h              cmocka)
    mintd_libraries_check("deps/install --tests")
endif()
